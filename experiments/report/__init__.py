"""What came out, for people: tables, figures, intervals, pages."""
