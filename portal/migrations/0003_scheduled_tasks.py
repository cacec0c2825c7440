from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("portal", "0002_database_version")]

    operations = [
        migrations.CreateModel(
            name="ScheduledTask",
            fields=[
                (
                    "name",
                    models.CharField(
                        help_text="Of its line in CELERY_BEAT_SCHEDULE.", max_length=100, primary_key=True, serialize=False
                    ),
                ),
                ("last_run_at", models.DateTimeField()),
            ],
        ),
    ]
