"""The web page: a folder of plain HTML, CSS and JavaScript that opens without a server, and the Python that builds it."""
