"""What people change about themselves."""

from django import forms

from .models import User


class AccountForm(forms.ModelForm):
    """Name, as others see it."""

    class Meta:
        model = User
        fields = ["first_name", "last_name"]
