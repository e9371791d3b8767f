"""Results written: tables, overlays and pages."""
