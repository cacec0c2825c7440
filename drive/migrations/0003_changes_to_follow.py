from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('drive', '0002_edited_together'),
    ]

    operations = [
        migrations.AddField(
            model_name='file',
            name='noted_at',
            field=models.DateTimeField(help_text='When this row learned of a new content or path; a Lab wrote earlier. For programs that follow.', null=True),
        ),
        migrations.AddIndex(
            model_name='file',
            index=models.Index(condition=models.Q(('trashed', None)), fields=['library', 'noted_at'], name='noted_files'),
        ),
    ]
