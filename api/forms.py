"""What people type about tokens."""

from django import forms

from .models import Scope
from .services import MOST_DAYS


class TokenForm(forms.Form):
    """A new token."""

    name = forms.CharField(max_length=100, label="What is it for?", help_text="Such as “backup on my laptop”.")
    scopes = forms.MultipleChoiceField(
        choices=Scope.choices,
        initial=[Scope.READ.value],
        label="What may a program with it do?",
        widget=forms.CheckboxSelectMultiple,
        help_text="Never more than you may yourself.",
    )
    days = forms.IntegerField(label="Good for so many days", min_value=1, max_value=MOST_DAYS, initial=90)
