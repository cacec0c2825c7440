"""The tables of 0.2.0. A database that has had all of `replaces` counts as having had this; keep the list."""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):

    replaces = [
        ('notices', '0001_notices'),
        ('notices', '0002_lab_warning'),
    ]

    initial = True

    dependencies = [
        ('portal', '0001_squashed'),
    ]

    operations = [
        migrations.CreateModel(
            name='Notice',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('kind', models.CharField(choices=[('invited', 'Somebody adds or invites me to a Collab'), ('role', 'My role in a Collab changes or ends'), ('request', 'Somebody asks to join a Collab that I administer, or answers a request or invitation'), ('share', 'Somebody shares a library with me'), ('lab_stopped', 'My Lab was stopped (with a list of rescued files)'), ('lab_warning', 'My Lab ran out of memory, or is about to be stopped'), ('mass_deletion', 'A large part of one of my libraries is deleted at once')], max_length=20)),
                ('subject', models.CharField(max_length=200)),
                ('text', models.TextField(blank=True)),
                ('url', models.CharField(blank=True, help_text='Page that the notice leads to: a path of this site.', max_length=500)),
                ('created_at', models.DateTimeField(auto_now_add=True)),
                ('read_at', models.DateTimeField(blank=True, null=True)),
                ('mail', models.CharField(choices=[('none', 'None'), ('waiting', 'Waiting'), ('sent', 'Sent'), ('failed', 'Failed')], default='none', max_length=8)),
                ('mail_tries', models.PositiveSmallIntegerField(default=0)),
                ('mail_again_at', models.DateTimeField(blank=True, help_text='Time of the next attempt.', null=True)),
                ('user', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='notices', to=settings.AUTH_USER_MODEL)),
            ],
            options={
                'ordering': ['-created_at', '-pk'],
                'indexes': [models.Index(fields=['user', '-created_at'], name='notices_of_person'), models.Index(condition=models.Q(('read_at', None)), fields=['user'], name='notices_unread'), models.Index(condition=models.Q(('mail', 'waiting')), fields=['mail_again_at'], name='notices_to_mail')],
            },
        ),
        migrations.CreateModel(
            name='Wish',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('kind', models.CharField(choices=[('invited', 'Somebody adds or invites me to a Collab'), ('role', 'My role in a Collab changes or ends'), ('request', 'Somebody asks to join a Collab that I administer, or answers a request or invitation'), ('share', 'Somebody shares a library with me'), ('lab_stopped', 'My Lab was stopped (with a list of rescued files)'), ('lab_warning', 'My Lab ran out of memory, or is about to be stopped'), ('mass_deletion', 'A large part of one of my libraries is deleted at once')], max_length=20)),
                ('by_mail', models.BooleanField()),
                ('user', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='notice_wishes', to=settings.AUTH_USER_MODEL)),
            ],
            options={
                'constraints': [models.UniqueConstraint(fields=('user', 'kind'), name='one_wish_per_kind')],
            },
        ),
    ]
