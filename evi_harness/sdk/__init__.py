"""The one room that imports hume: handlers of the SDK's shape, authentication, parsing with the installed SDK."""
