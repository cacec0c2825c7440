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
            field=models.DurationField(default=datetime.timedelta, help_text='Time of its life that does not count, as nobody looked: sleep, an outage, a clock that was set.'),
        ),
    ]
