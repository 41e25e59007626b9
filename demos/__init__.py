"""The demo: one stream over several lanes at once, with the network between in the viewer's hands.

`stage` is what is shown: the `server`, a child process, and a relay for each lane (`network` says what that does to its
bytes). `control` is the page's API over it, which `serving` serves, `readers` a `crowd` of further readers in a process
of its own, `terminal` the same without a browser.
"""
