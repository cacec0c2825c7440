"""Form for a new personal access token."""

from django import forms

from .models import Scope
from .services import MOST_DAYS


class TokenForm(forms.Form):
    """Name, scopes and lifetime of a new token."""

    name = forms.CharField(
        max_length=100, label="Name", help_text="What the token is for, such as “backup on my laptop”."
    )
    scopes = forms.MultipleChoiceField(
        choices=Scope.choices,
        initial=[Scope.READ.value],
        label="Scopes",
        widget=forms.CheckboxSelectMultiple,
        help_text="A token never has more permissions than you have.",
    )
    days = forms.IntegerField(label="Valid for (days)", min_value=1, max_value=MOST_DAYS, initial=90)
