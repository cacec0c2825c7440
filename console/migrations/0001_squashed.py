"""The tables of 0.2.0. A database that has had all of `replaces` counts as having had this; keep the list."""

import django.db.models.deletion
import django.utils.timezone
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):

    replaces = [
        ('console', '0001_failures_and_announcements'),
    ]

    initial = True

    dependencies = [
        ('portal', '0001_squashed'),
    ]

    operations = [
        migrations.CreateModel(
            name='FailedTask',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('task_id', models.CharField(max_length=50, unique=True)),
                ('name', models.CharField(help_text='Name of the task, such as lab.tasks.launch.', max_length=200)),
                ('arguments', models.JSONField(default=list, help_text='Arguments of the task: ids.')),
                ('error', models.CharField(max_length=500)),
                ('traceback', models.TextField(blank=True)),
                ('failed_at', models.DateTimeField(auto_now_add=True, db_index=True)),
                ('retried_at', models.DateTimeField(null=True)),
            ],
            options={
                'ordering': ['-failed_at'],
                'permissions': [('see_as_person', 'Can see what a person can see, and why')],
            },
        ),
        migrations.CreateModel(
            name='Announcement',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('text', models.CharField(help_text='One or two sentences. Plain text.', max_length=500)),
                ('level', models.CharField(choices=[('info', 'information'), ('warning', 'warning')], default='info', max_length=10)),
                ('link', models.URLField(blank=True, help_text='Address with more information (optional).')),
                ('begins_at', models.DateTimeField(default=django.utils.timezone.now)),
                ('ends_at', models.DateTimeField(help_text='The announcement disappears at this time.')),
                ('created_by', models.ForeignKey(editable=False, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL)),
            ],
            options={
                'ordering': ['-begins_at'],
            },
        ),
    ]
