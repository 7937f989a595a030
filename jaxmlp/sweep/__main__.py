from jaxmlp.cli import main

main.run("jaxmlp.sweep.command")
