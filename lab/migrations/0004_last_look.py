import datetime

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('lab', '0003_kept_packages'),
    ]

    operations = [
        migrations.AddField(
            model_name='server',
            name='looked_at',
            field=models.DateTimeField(blank=True, help_text="Time of the reaper's last look.", null=True),
        ),
        migrations.AddField(
            model_name='server',
            name='unseen',
            field=models.DurationField(default=datetime.timedelta, help_text='How much of its life is not counted, because nothing looked (sleep, an outage, a clock set forward).'),
        ),
    ]
