"""The tables of 0.2.0. A database that has had all of `replaces` counts as having had this; keep the list."""

import collabs.models
import collabs.search
import django.db.models.deletion
import django.db.models.manager
from django.conf import settings
from django.db import migrations, models

from collabs import search_index


def create_index(apps, schema_editor):
    search_index.create(schema_editor.connection)


def drop_index(apps, schema_editor):
    search_index.drop(schema_editor.connection)


class Migration(migrations.Migration):

    replaces = [
        ('collabs', '0001_initial'),
        ('collabs', '0002_removed'),
        ('collabs', '0003_groups'),
        ('collabs', '0004_invitations'),
        ('collabs', '0005_page'),
    ]

    initial = True

    dependencies = [
        ('groups', '0001_squashed'),
        ('portal', '0001_squashed'),
    ]

    operations = [
        migrations.CreateModel(
            name='Collab',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('slug', models.SlugField(help_text='In the address. Never changes, never reused.', max_length=80, unique=True)),
                ('title', models.CharField(help_text="Unique. Also the name of the team's folder in the Lab.", max_length=100, validators=[collabs.models.validate_title])),
                ('title_key', models.CharField(editable=False, max_length=300, unique=True)),
                ('description', models.TextField(blank=True, help_text='What you work on, in a sentence or two.', max_length=2000)),
                ('is_public', models.BooleanField(default=False, help_text='Anybody can see the page; everybody who is signed in can read the files.', verbose_name='public')),
                ('created_at', models.DateTimeField(auto_now_add=True)),
                ('deleted_at', models.DateTimeField(blank=True, help_text='Kept for 30 days, title and address included.', null=True)),
                ('created_by', models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('removed_at', models.DateTimeField(editable=False, help_text='Time of its permanent removal. Only its address stays taken.', null=True)),
                ('archived_at', models.DateTimeField(blank=True, editable=False, help_text='Time of archiving. Nothing in it can be changed since.', null=True)),
            ],
            options={
                'ordering': ['title_key'],
                'base_manager_name': 'all_objects',
                'default_manager_name': 'all_objects',
                'indexes': [models.Index(fields=['is_public', 'deleted_at'], name='collabs_col_is_publ_b9c18c_idx'), models.Index(condition=models.Q(('archived_at', None), ('deleted_at', None)), fields=['title_key'], name='current_by_title'), models.Index(condition=models.Q(('archived_at', None), ('deleted_at', None)), fields=['-created_at'], name='current_by_age')],
            },
            managers=[
                ('all_objects', django.db.models.manager.Manager()),
            ],
        ),
        migrations.CreateModel(
            name='Membership',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('role', models.CharField(choices=[('administrator', 'Administrator'), ('editor', 'Editor'), ('viewer', 'Viewer')], max_length=16)),
                ('since', models.DateTimeField(auto_now_add=True)),
                ('collab', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='memberships', to='collabs.collab')),
                ('user', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='memberships', to=settings.AUTH_USER_MODEL)),
            ],
            options={
                'ordering': [models.OrderBy(models.Func(models.F('role'), output_field=models.IntegerField(), template="CASE %(expressions)s WHEN 'viewer' THEN 10 WHEN 'editor' THEN 20 WHEN 'administrator' THEN 30 ELSE 0 END"), descending=True), 'user__username'],
                'constraints': [models.UniqueConstraint(fields=('collab', 'user'), name='one_role_per_member')],
            },
        ),
        migrations.CreateModel(
            name='EffectiveRole',
            fields=[
                ('id', models.TextField(primary_key=True, serialize=False)),
                ('role', models.CharField(choices=[('administrator', 'Administrator'), ('editor', 'Editor'), ('viewer', 'Viewer')], max_length=16)),
            ],
            options={
                'db_table': 'collabs_standing',
                'managed': False,
            },
        ),
        migrations.CreateModel(
            name='GroupRole',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('role', models.CharField(choices=[('administrator', 'Administrator'), ('editor', 'Editor'), ('viewer', 'Viewer')], max_length=16)),
                ('since', models.DateTimeField(auto_now_add=True)),
                ('collab', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='group_roles', to='collabs.collab')),
                ('group', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='roles', to='groups.group')),
            ],
            options={
                'ordering': [models.OrderBy(models.Func(models.F('role'), output_field=models.IntegerField(), template="CASE %(expressions)s WHEN 'viewer' THEN 10 WHEN 'editor' THEN 20 WHEN 'administrator' THEN 30 ELSE 0 END"), descending=True), 'group__name_key'],
                'constraints': [models.UniqueConstraint(fields=('collab', 'group'), name='one_role_per_group')],
            },
        ),
        migrations.CreateModel(
            name='Invitation',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('role', models.CharField(choices=[('administrator', 'Administrator'), ('editor', 'Editor'), ('viewer', 'Viewer')], max_length=16)),
                ('email', models.EmailField(blank=True, help_text='Address that it was sent to; empty for a link.', max_length=254)),
                ('digest', models.CharField(editable=False, max_length=64, unique=True)),
                ('uses_left', models.PositiveIntegerField()),
                ('expires_at', models.DateTimeField()),
                ('created_at', models.DateTimeField(auto_now_add=True)),
                ('mailed_at', models.DateTimeField(blank=True, null=True)),
                ('revoked_at', models.DateTimeField(blank=True, null=True)),
                ('collab', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='invitations', to='collabs.collab')),
                ('created_by', models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL)),
            ],
            options={
                'ordering': ['-created_at', '-pk'],
                'indexes': [models.Index(fields=['email'], name='invitations_by_address')],
            },
        ),
        migrations.CreateModel(
            name='JoinRequest',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('note', models.TextField(blank=True, help_text='Who you are, and what you would like to do.', max_length=1000)),
                ('created_at', models.DateTimeField(auto_now_add=True)),
                ('decided_at', models.DateTimeField(blank=True, null=True)),
                ('approved', models.BooleanField(default=False)),
                ('collab', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='requests', to='collabs.collab')),
                ('decided_by', models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('user', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='join_requests', to=settings.AUTH_USER_MODEL)),
            ],
            options={
                'ordering': ['created_at', 'pk'],
                'constraints': [models.UniqueConstraint(condition=models.Q(('decided_at', None)), fields=('collab', 'user'), name='one_open_request_per_person')],
            },
        ),
        migrations.CreateModel(
            name='SearchEntry',
            fields=[
                ('collab', models.OneToOneField(db_column='rowid', on_delete=django.db.models.deletion.DO_NOTHING, primary_key=True, related_name='search_entry', serialize=False, to='collabs.collab')),
                ('document', collabs.search.DocumentField(db_column='collabs_search')),
            ],
            options={
                'db_table': 'collabs_search',
                'managed': False,
            },
        ),
        migrations.CreateModel(
            name='Favourite',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('since', models.DateTimeField(auto_now_add=True)),
                ('collab', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='favourites', to='collabs.collab')),
                ('user', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='favourites', to=settings.AUTH_USER_MODEL)),
            ],
            options={
                'ordering': ['-since'],
                'constraints': [models.UniqueConstraint(fields=('user', 'collab'), name='one_favourite')],
            },
        ),
        migrations.CreateModel(
            name='Tag',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('name', models.CharField(max_length=40)),
                ('collab', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='tags', to='collabs.collab')),
            ],
            options={
                'ordering': ['name'],
                'constraints': [models.UniqueConstraint(fields=('name', 'collab'), name='one_tag_of_a_name')],
            },
        ),
        migrations.RunPython(create_index, drop_index),
    ]
