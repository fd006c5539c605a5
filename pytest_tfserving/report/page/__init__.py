"""The HTML page of --tfserving-report: a document (report/document.py) -> one file that needs no other."""
