"""The tables of 0.2.0. A database that has had all of `replaces` counts as having had this; keep the list."""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):

    replaces = [
        ('groups', '0001_groups'),
    ]

    initial = True

    dependencies = [
        ('portal', '0001_squashed'),
    ]

    operations = [
        migrations.CreateModel(
            name='Group',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('slug', models.SlugField(help_text='In the address. Never changes.', max_length=80, unique=True)),
                ('name', models.CharField(help_text='Unique. Everybody who is signed in can find it by this name.', max_length=100)),
                ('name_key', models.CharField(editable=False, max_length=300, unique=True)),
                ('description', models.TextField(blank=True, help_text='Who is in the group, and what it is for.', max_length=2000)),
                ('provider_name', models.CharField(blank=True, help_text="The group's name at a sign-in provider, as “provider:name”. Who signs in with it is in the group.", max_length=250, null=True, unique=True)),
                ('created_at', models.DateTimeField(auto_now_add=True)),
                ('created_by', models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL)),
            ],
            options={
                'ordering': ['name_key'],
            },
        ),
        migrations.CreateModel(
            name='GroupManager',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('group', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='managers', to='groups.group')),
                ('user', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='managed_groups', to=settings.AUTH_USER_MODEL)),
            ],
            options={
                'ordering': ['user__username'],
                'constraints': [models.UniqueConstraint(fields=('group', 'user'), name='manager_once')],
            },
        ),
        migrations.CreateModel(
            name='GroupMember',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('from_provider', models.CharField(blank=True, help_text='Sign-in provider that added the person, and can remove them; else blank.', max_length=50)),
                ('since', models.DateTimeField(auto_now_add=True)),
                ('group', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='members', to='groups.group')),
                ('user', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='group_members', to=settings.AUTH_USER_MODEL)),
            ],
            options={
                'ordering': ['user__username'],
                'constraints': [models.UniqueConstraint(fields=('group', 'user'), name='once_in_a_group')],
            },
        ),
        migrations.CreateModel(
            name='Nesting',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('inner', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='outer_nestings', to='groups.group')),
                ('outer', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='inner_nestings', to='groups.group')),
            ],
            options={
                'ordering': ['inner__name_key'],
                'constraints': [models.UniqueConstraint(fields=('outer', 'inner'), name='nested_once')],
            },
        ),
        migrations.CreateModel(
            name='Reach',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('inner', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='outer_reach', to='groups.group')),
                ('outer', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='inner_reach', to='groups.group')),
            ],
            options={
                'constraints': [models.UniqueConstraint(fields=('outer', 'inner'), name='reached_once')],
            },
        ),
    ]
