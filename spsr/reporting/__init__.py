"""What people look at: tables, figures, statistics, claims, the report and the MLflow runs."""
