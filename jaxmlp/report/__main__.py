from jaxmlp.cli import main

main.run("jaxmlp.report.command")
