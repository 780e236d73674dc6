"""Structure extractors (Section 4.2): their self-supervised tasks, training and evaluation."""
