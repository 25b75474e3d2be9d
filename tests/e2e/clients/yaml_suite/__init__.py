"""The public YAML tests of Elasticsearch's REST API: reading them, sending their requests, checking the answers.

`definitions` turns an API's name and arguments into an HTTP request, `client` sends it, `documents` reads the test files, `values`
finds and compares values, `running` runs one test, `cleaning` empties the node between tests, `expectations` knows which tests do
not pass and why, `table` writes the document about them.
"""
