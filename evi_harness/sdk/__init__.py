"""The only room that imports hume: handlers, authentication, parsing with the installed SDK."""
