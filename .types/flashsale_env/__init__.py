"""Where the type checker finds the folders of the top level by their installed names: links, and no module of ours."""
