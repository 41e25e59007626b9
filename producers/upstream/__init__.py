"""The producer `upstream`: a chat completion API's answer goes in, items come out as they come.

`endpoint` is what is asked, `completion` what the answer says (neither does I/O), `relay` the producer; it alone needs
an HTTP client.
"""
