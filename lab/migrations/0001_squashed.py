"""The tables of 0.2.0. A database that has had all of `replaces` counts as having had this; keep the list."""

import django.core.validators
import django.db.models.deletion
import django.utils.timezone
import lab.models.servers
import uuid
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):

    replaces = [
        ('lab', '0001_initial'),
        ('lab', '0002_fork_server'),
        ('lab', '0003_signed_out_reason'),
        ('lab', '0004_limits'),
        ('lab', '0005_pulls'),
        ('lab', '0006_staying'),
        ('lab', '0007_pause'),
        ('lab', '0008_environments'),
        ('lab', '0009_builds'),
        ('lab', '0010_disk'),
        ('lab', '0011_conda'),
        ('lab', '0012_presence'),
        ('lab', '0013_environment_help'),
    ]

    initial = True

    dependencies = [
        ('collabs', '0001_squashed'),
        ('drive', '0001_squashed'),
        ('portal', '0001_squashed'),
    ]

    operations = [
        migrations.CreateModel(
            name='Lease',
            fields=[
                ('name', models.CharField(max_length=50, primary_key=True, serialize=False)),
                ('until', models.DateTimeField()),
            ],
            options={
                'db_table': 'lab_turn',
            },
        ),
        migrations.CreateModel(
            name='Environment',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('slug', models.SlugField(help_text='Such as base.', unique=True)),
                ('name', models.CharField(help_text='Name shown to users, such as “Scientific Python”.', max_length=100)),
                ('description', models.TextField(blank=True, help_text='Contents, in a sentence or two.')),
                ('prefix', models.CharField(blank=True, help_text='Absolute path of an installation that has JupyterLab, without commas and colons. A build sets it.', max_length=500, validators=[django.core.validators.RegexValidator('\\A/[^,:\\n]+\\Z', 'An absolute path without commas and colons.')])),
                ('is_default', models.BooleanField(default=False, help_text='Environment of users who did not choose one.')),
                ('by_fork', models.BooleanField(default=True, help_text='Fork servers from a process that has imported Jupyter already. Off: start each from nothing.', verbose_name='instant launch')),
                ('cpu_limit', models.FloatField(blank=True, help_text='That one server may keep busy, such as 1.5; empty: LAB_CPU_LIMIT. 0: no limit.', null=True, validators=[django.core.validators.MinValueValidator(0)], verbose_name='processors')),
                ('memory_mib', models.PositiveIntegerField(blank=True, help_text='Of one server; empty: LAB_MEMORY_LIMIT. 0: no limit.', null=True, verbose_name='memory (MiB)')),
                ('process_limit', models.PositiveIntegerField(blank=True, help_text='With threads, of one server; empty: LAB_PROCESS_LIMIT. 0: none.', null=True, verbose_name='processes')),
                ('is_retired', models.BooleanField(default=False, help_text='No longer offered. Users who have chosen it, and links that name it, still get it.', verbose_name='retired')),
                ('packages', models.TextField(blank=True, help_text='To be built by the site: what pip or conda installs, one per line, beside JupyterLab. Empty: made by hand at the prefix.')),
                ('disk_mib', models.PositiveIntegerField(blank=True, help_text="Of one server's home and changes to this; empty: LAB_DISK_LIMIT. 0: no limit.", null=True, verbose_name='disk (MiB)')),
                ('channels', models.TextField(blank=True, help_text='For conda: where packages come from, a name or https address per line, the first one first. Empty: conda-forge.')),
                ('kind', models.CharField(choices=[('venv', 'venv (pip)'), ('conda', 'conda')], default='venv', max_length=10)),
            ],
            options={
                'ordering': ['name'],
                'constraints': [models.UniqueConstraint(models.F('is_default'), condition=models.Q(('is_default', True)), name='lab_one_default_environment'), models.CheckConstraint(condition=models.Q(('is_default', False), ('is_retired', False), _connector='OR'), name='lab_default_environment_not_retired', violation_error_message='The default cannot be retired: make another one the default first.')],
            },
        ),
        migrations.CreateModel(
            name='Pass',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('digest', models.CharField(max_length=64, unique=True)),
                ('session_key', models.CharField(db_index=True, help_text='Key of the portal session; the pass ends with it.', max_length=40)),
                ('auth_hash', models.CharField(help_text="Session hash of the password; the pass ends when it changes.", max_length=128)),
                ('created_at', models.DateTimeField(auto_now_add=True)),
                ('expires_at', models.DateTimeField(db_index=True)),
                ('user', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='+', to=settings.AUTH_USER_MODEL)),
            ],
            options={
                'verbose_name_plural': 'passes',
            },
        ),
        migrations.CreateModel(
            name='Ticket',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('digest', models.CharField(max_length=64, unique=True)),
                ('session_key', models.CharField(help_text='Key of the portal session that it came from.', max_length=40)),
                ('state_digest', models.CharField(help_text="Of the cookie that the Lab's origin gave this browser.", max_length=64)),
                ('place', models.CharField(help_text="Path on the Lab's origin to open, from the first slash on.", max_length=4000)),
                ('expires_at', models.DateTimeField(db_index=True)),
                ('used_at', models.DateTimeField(blank=True, null=True)),
                ('user', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='+', to=settings.AUTH_USER_MODEL)),
            ],
        ),
        migrations.CreateModel(
            name='Server',
            fields=[
                ('id', models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ('state', models.CharField(choices=[('requested', 'requested'), ('starting', 'starting'), ('running', 'running'), ('stopping', 'stopping'), ('stopped', 'stopped'), ('failed', 'failed')], default='requested', max_length=10)),
                ('phase', models.CharField(choices=[('queued', 'Waiting for its turn'), ('preparing', 'Preparing your environment and your Drive'), ('jupyter', 'Starting Jupyter'), ('ready', 'Ready'), ('closing', 'Ending what still runs'), ('rescuing', 'Copying notebooks and texts to your Drive'), ('deleting', 'Deleting the environment'), ('gone', 'Gone')], default='queued', max_length=10)),
                ('place', models.CharField(blank=True, help_text='Location to open: a path in the Drive.', max_length=2000)),
                ('token', models.CharField(default=lab.models.servers.new_token, editable=False, max_length=64)),
                ('requested_at', models.DateTimeField(default=django.utils.timezone.now)),
                ('starting_at', models.DateTimeField(blank=True, help_text='Time at which a worker took up the launch.', null=True)),
                ('started_at', models.DateTimeField(blank=True, help_text="Time of Jupyter's first answer.", null=True)),
                ('stopping_at', models.DateTimeField(blank=True, null=True)),
                ('ended_at', models.DateTimeField(blank=True, help_text='Time at which all processes and files were gone.', null=True)),
                ('changed_at', models.DateTimeField(default=django.utils.timezone.now, help_text='Time of the last change of state.')),
                ('last_interaction', models.DateTimeField(blank=True, help_text='Time of the last interaction, as last read; only moves forward.', null=True)),
                ('unreachable_since', models.DateTimeField(blank=True, help_text='Time of the first failed check since the last answer.', null=True)),
                ('due_at', models.DateTimeField(blank=True, help_text="Time of the reaper's next look.", null=True)),
                ('stop_reason', models.CharField(blank=True, choices=[('asked', 'its person stopped it'), ('operator', 'an operator stopped it'), ('idle', 'idle'), ('age', 'too old, though busy'), ('unreachable', 'did not answer for too long'), ('deactivated', 'account deactivated'), ('signed-out', 'its person signed out'), ('access', 'a library it was using was taken away'), ('died', 'it died'), ('start-failed', 'it did not start')], max_length=20)),
                ('error', models.TextField(blank=True, help_text='Error, in a sentence for its person.')),
                ('log_tail', models.TextField(blank=True, help_text="Last lines of Jupyter's log, after a failure.")),
                ('notes', models.JSONField(blank=True, default=list, help_text='Messages to its person, such as a stopped kernel.')),
                ('rescued', models.JSONField(blank=True, help_text='Result of the rescue: files copied to the Drive at its end.', null=True)),
                ('rescue_failures', models.PositiveSmallIntegerField(default=0)),
                ('mounts_digest', models.CharField(blank=True, help_text='Digest of the mounts in its Drive.', max_length=64)),
                ('again', models.BooleanField(default=False, help_text='Start a new one as soon as this one is gone.')),
                ('again_place', models.CharField(blank=True, max_length=2000)),
                ('ended_by_task_until', models.DateTimeField(blank=True, help_text='A stop task is at work on it; taken over when this has passed.', null=True)),
                ('environment', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='servers', to='lab.environment')),
                ('owner', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='servers', to=settings.AUTH_USER_MODEL)),
                ('memory_kills', models.PositiveIntegerField(default=0, help_text='How many of its processes were ended because it had reached that limit.')),
                ('memory_limit', models.PositiveBigIntegerField(default=0, help_text='Bytes that its processes could use together when it was started; 0: no limit.')),
                ('keep_until', models.DateTimeField(blank=True, help_text='Not stopped as idle before this time.', null=True)),
                ('last_by_hand', models.DateTimeField(blank=True, help_text="Time of its person's last input, as last read.", null=True)),
                ('warned_for', models.DateTimeField(blank=True, help_text='Time of the end that its person was warned of.', null=True)),
                ('again_environment', models.ForeignKey(blank=True, help_text='Environment of the next server.', null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to='lab.environment')),
                ('disk_kills', models.PositiveIntegerField(default=0, help_text='How many of its processes were ended because they took up more.')),
                ('disk_limit', models.PositiveBigIntegerField(default=0, help_text='Bytes that its home and its changed environment could take up; 0: no limit.')),
            ],
            options={
                'ordering': ['-requested_at'],
                'indexes': [models.Index(fields=['state', 'due_at'], name='lab_server_state_789eb1_idx'), models.Index(fields=['owner', '-ended_at'], name='lab_server_owner_i_a016d1_idx')],
                'constraints': [models.UniqueConstraint(condition=models.Q(('state__in', ('requested', 'starting', 'running', 'stopping'))), fields=('owner',), name='lab_one_live_server_per_person')],
            },
        ),
        migrations.CreateModel(
            name='Pull',
            fields=[
                ('id', models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ('folder', models.CharField(max_length=255)),
                ('repo', models.CharField(max_length=500)),
                ('branch', models.CharField(blank=True, help_text="Empty: the repository's own choice.", max_length=200)),
                ('path', models.CharField(blank=True, help_text='File or folder in the repository to open at the end.', max_length=1000)),
                ('state', models.CharField(choices=[('waiting', 'waiting for the Lab'), ('running', 'being fetched'), ('done', 'done'), ('failed', 'failed')], default='waiting', max_length=10)),
                ('progress', models.CharField(blank=True, help_text="Last line of git's progress.", max_length=200)),
                ('error', models.TextField(blank=True, help_text='Error, in a sentence for its person.')),
                ('report', models.JSONField(blank=True, default=dict, help_text='Report of the pull.')),
                ('created_at', models.DateTimeField(db_index=True, default=django.utils.timezone.now)),
                ('looked_at', models.DateTimeField(default=django.utils.timezone.now, help_text='Time of the last look at its progress.')),
                ('library', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='+', to='drive.library')),
                ('user', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='+', to=settings.AUTH_USER_MODEL)),
            ],
        ),
        migrations.CreateModel(
            name='Pause',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('text', models.CharField(help_text='Why, in a sentence; people who want to start a Lab read it.', max_length=300)),
                ('starts_at', models.DateTimeField(default=django.utils.timezone.now, help_text='From when on no Lab is started.')),
                ('ends_at', models.DateTimeField(help_text='When Labs can be started again. Set it to a moment ago to end it now.')),
            ],
            options={
                'verbose_name': 'pause of launches',
                'verbose_name_plural': 'pauses of launches',
                'ordering': ['-ends_at'],
                'constraints': [models.CheckConstraint(condition=models.Q(('ends_at__gt', models.F('starts_at'))), name='lab_pause_ends_after_its_start', violation_error_message='It must end after it starts.')],
            },
        ),
        migrations.CreateModel(
            name='ChosenEnvironment',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('environment', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='+', to='lab.environment')),
                ('user', models.OneToOneField(on_delete=django.db.models.deletion.CASCADE, related_name='+', to=settings.AUTH_USER_MODEL)),
            ],
        ),
        migrations.CreateModel(
            name='CollabEnvironment',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('collab', models.OneToOneField(on_delete=django.db.models.deletion.CASCADE, related_name='+', to='collabs.collab')),
                ('environment', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to='lab.environment')),
            ],
        ),
        migrations.CreateModel(
            name='Build',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('packages', models.TextField(help_text='Packages as they were when the build was requested.')),
                ('prefix', models.CharField(blank=True, help_text='Directory of the build; empty once it is deleted.', max_length=500)),
                ('state', models.CharField(choices=[('queued', 'queued'), ('running', 'running'), ('done', 'done'), ('failed', 'failed')], default='queued', max_length=10)),
                ('error', models.TextField(blank=True)),
                ('asked_at', models.DateTimeField(default=django.utils.timezone.now)),
                ('started_at', models.DateTimeField(blank=True, null=True)),
                ('ended_at', models.DateTimeField(blank=True, null=True)),
                ('asked_by', models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('environment', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='builds', to='lab.environment')),
                ('channels', models.TextField(blank=True, help_text='Channels of conda packages.')),
                ('kind', models.CharField(choices=[('venv', 'venv (pip)'), ('conda', 'conda')], default='venv', max_length=10)),
            ],
            options={
                'ordering': ['-asked_at', '-pk'],
                'constraints': [models.UniqueConstraint(condition=models.Q(('state__in', ('queued', 'running'))), fields=('environment',), name='lab_one_live_build_per_environment')],
            },
        ),
        migrations.CreateModel(
            name='Presence',
            fields=[
                ('server', models.OneToOneField(on_delete=django.db.models.deletion.CASCADE, primary_key=True, related_name='presence', serialize=False, to='lab.server')),
                ('path', models.CharField(help_text='Path in the library.', max_length=2000)),
                ('seen_at', models.DateTimeField()),
                ('library', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='+', to='drive.library')),
            ],
        ),
    ]
