"""The user study: a blinded page on which raters rank results, and what their votes say (Section 4.2, Fig. 9)."""
