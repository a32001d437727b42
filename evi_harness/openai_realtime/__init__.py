"""Pure: the dialect of OpenAI's Realtime protocol, and of the services that speak it."""
