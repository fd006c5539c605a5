"""Ways to a server: started in a container or as a process, or only addressed.

A started server belongs to the run, not to the test that asked first. `run.Run` hands it out, a keeper process
(keeper.py) owns it and ends it when the last process of the run is gone, however that came about.
"""
