from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('collabs', '0002_coediting'),
    ]

    operations = [
        migrations.AddField(
            model_name='collab',
            name='visitors_read',
            field=models.BooleanField(default=False, help_text='Where it is public: visitors without an account read the files, previews and notebooks.', verbose_name='open to visitors'),
        ),
    ]
