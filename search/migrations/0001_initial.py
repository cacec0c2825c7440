import django.db.models.deletion
from django.db import migrations, models

from search import index


def create(apps, schema_editor):
    index.create(schema_editor.connection)


def drop(apps, schema_editor):
    index.drop(schema_editor.connection)


class Migration(migrations.Migration):

    initial = True

    dependencies = [
        ('drive', '0004_noted_lately'),
    ]

    operations = [
        migrations.CreateModel(
            name='IndexedFile',
            fields=[
                ('file', models.OneToOneField(db_constraint=False, on_delete=django.db.models.deletion.DO_NOTHING, primary_key=True, related_name='search_entry', serialize=False, to='drive.file')),
                ('path_key', models.CharField(help_text='Of the path whose words are in the index.', max_length=64)),
                ('signature', models.CharField(help_text='Of the content whose words are in the index.', max_length=80)),
                ('size', models.IntegerField(default=0, help_text='Bytes of the words of its text.')),
            ],
        ),
        migrations.CreateModel(
            name='IndexState',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('noted_until', models.DateTimeField(help_text='Changes that were noted before are in the index.', null=True)),
                ('swept_to', models.BigIntegerField(default=0, help_text='All files up to this number were compared with the index; empty: all there are.', null=True)),
                ('learned_at', models.DateTimeField(help_text='When the words of all Collabs were learned.', null=True)),
            ],
        ),
        migrations.CreateModel(
            name='Word',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('word', models.CharField(max_length=30, unique=True)),
                ('backwards', models.CharField(db_index=True, help_text='From its end to its beginning.', max_length=30)),
            ],
        ),
        migrations.RunPython(create, drop),
    ]
