"""The adapter of OpenAI's SDK, the package openai, as far as it is about the Realtime protocol."""
