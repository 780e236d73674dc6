"""Where jobs run: the site, what each job asks of it, and the slot in which a training works."""
