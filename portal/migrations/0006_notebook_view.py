from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("portal", "0005_terms")]

    operations = [
        migrations.AddField(
            model_name="user",
            name="notebook_view",
            field=models.CharField(
                choices=[("jupyterlab", "JupyterLab"), ("simple", "Simple view")],
                default="jupyterlab",
                help_text="What the person's notebooks open in.",
                max_length=16,
            ),
        ),
    ]
