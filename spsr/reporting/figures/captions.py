"""What each figure shows, by its name; `catalogue.FIGURES` draws them."""

CAPTIONS = {
    "figure1": "SR results of different methods",
    "figure4": "A simple one-dimensional case: edges and their gradients",
    "figure6": "Accuracy of the structure extractors on both tasks",
    "figure7": "Visual comparison",
    "figure8": "SR results and their gradient maps",
    "figure9": "What the raters of the user study preferred",
    "figure10": "Gradient maps and the gradient branch",
    "figure11": "SPSR-G without and with the gradient branch",
    "figure13": "Sampling strategies of contrastive prediction",
    "figure14": "Contrastive prediction by sampling strategy",
    "figure15": "Jigsaw puzzles by sampling strategy",
    "figure16": "Visual comparison: Set5 and Set14",
    "figure17": "Visual comparison: BSD100",
    "figure18": "Visual comparison: General100",
    "figure19": "Visual comparison: Urban100",
    "figure20": "Outputs of the gradient branch",
    "features": "What each structure extractor answers to",
    "losses": "Loss curves of every training",
    "inference": "What quality costs: LPIPS against the time for one image",
}
