"""The services of AWS that the embedded cloud serves, a module or package each."""
