from jaxmlp.cli import main

main.run("jaxmlp.runs.command")
