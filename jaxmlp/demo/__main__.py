from jaxmlp.cli import main

main.run("jaxmlp.demo.command")
