from jaxmlp.cli import main

main.run("jaxmlp.gradcheck.command")
