from jaxmlp.cli import main

main.run("jaxmlp.export.command")
