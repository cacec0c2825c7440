"""The tables of 0.2.0. A database that has had all of `replaces` counts as having had this; keep the list."""

import django.contrib.auth.models
import django.db.models.deletion
import uuid
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):

    replaces = [
        ('drive', '0001_initial'),
        ('drive', '0002_versions'),
        ('drive', '0003_links_and_quotas'),
        ('drive', '0004_owners'),
        ('drive', '0005_latest_files'),
    ]

    initial = True

    dependencies = [
        ('collabs', '0001_squashed'),
        ('portal', '0001_squashed'),
    ]

    operations = [
        migrations.CreateModel(
            name='Library',
            fields=[
                ('id', models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ('name', models.CharField(help_text="Name for the owner; a Collab's library has the Collab's title.", max_length=100)),
                ('name_key', models.CharField(editable=False, max_length=300)),
                ('shared_name', models.CharField(blank=True, help_text='Name for everybody else; unique; set when first shared.', max_length=150, null=True)),
                ('shared_key', models.CharField(editable=False, max_length=450, null=True, unique=True)),
                ('is_default', models.BooleanField(default=False, help_text="The person's “My Library”, which exists from sign-up.")),
                ('is_public', models.BooleanField(default=False, help_text='Everybody who is signed in can read it.')),
                ('created_at', models.DateTimeField(auto_now_add=True)),
                ('deleted_at', models.DateTimeField(blank=True, help_text='Kept for 30 days.', null=True)),
                ('owner_collab', models.OneToOneField(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='library', to='collabs.collab')),
                ('owner_user', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='libraries', to=settings.AUTH_USER_MODEL)),
                ('counted_at', models.DateTimeField(editable=False, help_text='Time of the scan that last counted them.', null=True)),
                ('used_bytes', models.BigIntegerField(default=0, editable=False)),
                ('used_files', models.BigIntegerField(default=0, editable=False)),
                ('removed_at', models.DateTimeField(editable=False, help_text='When its permanent removal began; it cannot be restored any more.', null=True)),
            ],
            options={
                'verbose_name_plural': 'libraries',
                'ordering': ['name_key'],
                'indexes': [models.Index(condition=models.Q(('deleted_at', None), ('is_public', True)), fields=['shared_key'], name='public')],
                'constraints': [models.CheckConstraint(condition=models.Q(('owner_user__isnull', True), ('owner_collab__isnull', True), _connector='XOR'), name='library_has_one_owner'), models.UniqueConstraint(condition=models.Q(('deleted_at', None)), fields=('owner_user', 'name_key'), name='one_library_of_a_name_per_person', violation_error_message='You have a library with this name.'), models.UniqueConstraint(condition=models.Q(('is_default', True)), fields=('owner_user',), name='one_default_library_per_person')],
            },
        ),
        migrations.CreateModel(
            name='Share',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('permission', models.CharField(choices=[('r', 'can read'), ('rw', 'can read and write')], default='r', max_length=2)),
                ('created_at', models.DateTimeField(auto_now_add=True)),
                ('collab', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.CASCADE, related_name='shares', to='collabs.collab')),
                ('created_by', models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('library', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='shares', to='drive.library')),
                ('user', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.CASCADE, related_name='shares', to=settings.AUTH_USER_MODEL)),
            ],
            options={
                'ordering': [models.OrderBy(models.F('user__username'), nulls_last=True), 'collab__title_key'],
                'constraints': [models.CheckConstraint(condition=models.Q(('user__isnull', True), ('collab__isnull', True), _connector='XOR'), name='share_has_one_target'), models.UniqueConstraint(fields=('library', 'user'), name='one_share_per_person'), models.UniqueConstraint(fields=('library', 'collab'), name='one_share_per_team')],
            },
        ),
        migrations.CreateModel(
            name='Loss',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('files', models.BigIntegerField()),
                ('of_files', models.BigIntegerField(help_text='Number of files before the loss.')),
                ('noticed_at', models.DateTimeField(auto_now_add=True)),
                ('answered_at', models.DateTimeField(null=True)),
                ('library', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='losses', to='drive.library')),
            ],
            options={
                'verbose_name_plural': 'losses',
                'ordering': ['-noticed_at'],
            },
        ),
        migrations.CreateModel(
            name='Trashed',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('path', models.TextField(help_text='Path that it was deleted from.')),
                ('kind', models.CharField(help_text='file, folder, link or other', max_length=6)),
                ('place', models.CharField(blank=True, max_length=100)),
                ('files', models.BigIntegerField(default=1)),
                ('size', models.BigIntegerField(default=0)),
                ('deleted_at', models.DateTimeField(db_index=True)),
                ('via', models.CharField(choices=[('web', 'on the web'), ('lab', 'in a Lab'), ('restored', 'restored')], max_length=8)),
                ('deleted_by', models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('library', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='trash', to='drive.library')),
                ('loss', models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='trashed', to='drive.loss')),
            ],
            options={
                'verbose_name_plural': 'trashed',
                'ordering': ['-deleted_at', '-pk'],
                'indexes': [models.Index(fields=['library', '-deleted_at'], name='trash_of_library')],
            },
        ),
        migrations.CreateModel(
            name='File',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('path', models.TextField(help_text='Current path, or the path at deletion, encoded by drive.storage.path_codec.')),
                ('path_key', models.CharField(help_text="The path's SHA-256: paths are longer than an index may hold.", max_length=64)),
                ('signature', models.CharField(help_text='Inode, size and times when it was last seen or written.', max_length=80)),
                ('size', models.BigIntegerField(default=0)),
                ('changed_at', models.DateTimeField()),
                ('via', models.CharField(choices=[('web', 'on the web'), ('lab', 'in a Lab'), ('restored', 'restored')], max_length=8)),
                ('is_captured', models.BooleanField(default=False, help_text='True if the newest version is the current content.')),
                ('changed_by', models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('library', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='files', to='drive.library')),
                ('trashed', models.ForeignKey(null=True, on_delete=django.db.models.deletion.CASCADE, related_name='histories', to='drive.trashed')),
            ],
            options={
                'indexes': [models.Index(condition=models.Q(('is_captured', False), ('trashed', None)), fields=['library'], name='not_captured'), models.Index(condition=models.Q(('trashed', None)), fields=['library', '-changed_at'], name='latest_files')],
                'constraints': [models.UniqueConstraint(condition=models.Q(('trashed', None)), fields=('library', 'path_key'), name='one_live_file_per_path')],
            },
        ),
        migrations.CreateModel(
            name='Version',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('sha256', models.CharField(db_index=True, max_length=64)),
                ('size', models.BigIntegerField()),
                ('modified', models.DateTimeField(help_text="Modification time of the file.")),
                ('captured_at', models.DateTimeField(auto_now_add=True)),
                ('via', models.CharField(choices=[('web', 'on the web'), ('lab', 'in a Lab'), ('restored', 'restored')], max_length=8)),
                ('by', models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('file', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='versions', to='drive.file')),
            ],
            options={
                'ordering': ['-pk'],
            },
        ),
        migrations.CreateModel(
            name='PublicLink',
            fields=[
                ('id', models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ('path', models.TextField(blank=True, help_text='Encoded by drive.storage.path_codec; empty for the whole library.')),
                ('is_folder', models.BooleanField()),
                ('password', models.CharField(blank=True, help_text='Hashed; empty for no password.', max_length=128)),
                ('expires_at', models.DateTimeField(blank=True, null=True)),
                ('created_at', models.DateTimeField(auto_now_add=True)),
                ('revoked_at', models.DateTimeField(blank=True, null=True)),
                ('uses', models.BigIntegerField(default=0, help_text='Number of pages and files opened through the link.')),
                ('last_used_at', models.DateTimeField(blank=True, null=True)),
                ('wrong_tries', models.IntegerField(default=0, editable=False, help_text='Wrong passwords since `wrong_since`.')),
                ('wrong_since', models.DateTimeField(editable=False, null=True)),
                ('created_by', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('library', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='links', to='drive.library')),
            ],
            options={
                'ordering': ['-created_at', '-pk'],
                'indexes': [models.Index(fields=['library', '-created_at'], name='links_of_library')],
            },
        ),
        migrations.CreateModel(
            name='Quota',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('max_bytes', models.PositiveBigIntegerField(blank=True, help_text="Total size of all files. Empty: the site's default.", null=True, verbose_name='bytes')),
                ('max_files', models.PositiveBigIntegerField(blank=True, help_text="Empty: the site's default.", null=True, verbose_name='files')),
                ('collab', models.OneToOneField(blank=True, null=True, on_delete=django.db.models.deletion.CASCADE, related_name='quota', to='collabs.collab')),
                ('user', models.OneToOneField(blank=True, null=True, on_delete=django.db.models.deletion.CASCADE, related_name='quota', to=settings.AUTH_USER_MODEL)),
            ],
            options={
                'constraints': [models.CheckConstraint(condition=models.Q(('user__isnull', True), ('collab__isnull', True), _connector='XOR'), name='quota_is_for_one', violation_error_message='A quota is for a person or for a Collab.')],
            },
        ),
        migrations.CreateModel(
            name='Owner',
            fields=[
            ],
            options={
                'verbose_name_plural': 'owners',
                'proxy': True,
            },
            bases=('portal.user',),
            managers=[
                ('objects', django.contrib.auth.models.UserManager()),
            ],
        ),
    ]
