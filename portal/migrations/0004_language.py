from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("portal", "0003_scheduled_tasks")]

    operations = [
        migrations.AddField(
            model_name="user",
            name="language",
            field=models.CharField(
                blank=True,
                default="",
                help_text="Of pages and mails (portal.languages). Empty: as the browser asks; mails in the site's first.",
                max_length=10,
            ),
            preserve_default=False,
        ),
    ]
