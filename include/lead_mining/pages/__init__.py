"""The pages that lead mining adds to the Airflow UI, as HTML. Plugins ask for what they show, and serve them."""
