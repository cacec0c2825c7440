"""For notebooks that were written for the EBRAINS Lab, whose package of this name asks for tokens there."""
