"""How dates are written where a page does not say: as on the pages that do."""
