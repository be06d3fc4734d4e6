"""The method on one page, and in a notebook. A test runs both."""
