"""Mistakes in what is done with models and numbers: data, training, streams, scores, rankings, storage."""

from mutation import Mutation, Reach

BESIDE = Reach.BESIDE
EVALUATE, EVALUATING = "inference/evaluate.py", ("tests/inference/test_modes.py", "tests/inference/test_evaluate.py")
MEAN, DIFFERENCE = "uncertainty/mean_error.py", "difference.py"
SCORE, SCORES, RANKS = "score.py", ("tests/test_score.py",), ("tests/tasks/test_ranking.py",)
FIT, FITS = "training/fit.py", ("tests/training/test_which_rows.py", "tests/training/test_gradient.py")
RESUMED, STREAMS = ("tests/training/test_resume.py",), ("tests/training/test_streams.py",)
SPLITS = ("tests/data/test_splits.py",)
TEXTS, SOUNDS = ("tests/data/test_text.py",), ("tests/data/test_wav.py",)
FILES, STANDARD = ("tests/data/test_files.py",), ("tests/data/test_standard.py",)
ARRAYS, SOURCES = ("tests/data/test_arrays.py",), ("tests/data/test_source.py",)
COMPARED = ("tests/tasks/test_compare.py",)


def mistake(name: str, family: str, wrong: str, file: str, old: str, new: str, tests: tuple[str, ...]) -> Mutation:
    return Mutation(name, family, wrong, file, old, new, BESIDE, tests)


MUTATIONS = (
    # Data.
    mistake(
        "cifar-channels-last", "data", "CIFAR's planes are read as if the colours came last",
        "data/formats/cifar_pickle.py", ".reshape(-1, *SHAPE)", ".reshape(-1, 32, 32, 3).permute(0, 3, 1, 2)", STANDARD,
    ),
    mistake(
        "idx-read-across", "data", "MNIST's images are read column by column", "data/formats/idx.py",
        ".copy()).reshape(sizes)", ".copy()).reshape(sizes[::-1]).permute(*range(len(sizes))[::-1])", STANDARD,
    ),
    mistake(
        "sound-off-by-one-level", "data", "silence is level 32767", "data/formats/sound/recordings.py",
        "samples.astype(np.int32) + 32768", "np.maximum(samples.astype(np.int32) + 32767, 0)", SOUNDS,
    ),
    mistake(
        "text-vocabulary-of-all", "data", "the vocabulary holds characters of the test part", "data/formats/text.py",
        "vocabulary_of(_training_text(text, window or WINDOW))", "vocabulary_of(text)", TEXTS,
    ),
    mistake(
        "text-test-holds-validation", "data", "the test part of a text begins where the validation part does",
        "data/splits.py", '"test": place[windows - n_test :]', '"test": place[n_train + 1 :]', SPLITS,
    ),
    mistake(
        "windows-interleaved", "data", "windows take every n-th value, not neighbours", "data/windows.py",
        "return x[: count * T].reshape(count, T)", "return x[: count * T].reshape(T, count).T.contiguous()", TEXTS,
    ),
    mistake(
        "levels-without-the-top", "data", "the highest value seen is not a level of its own", "data/infer.py",
        "max(2, self.high + 1)", "max(2, self.high)", ("tests/data/test_infer.py", *ARRAYS),
    ),
    mistake(
        "train-holds-validation", "data", "the training rows hold those that validate", "data/splits.py",
        '"train": order[n_test + n_valid :]', '"train": order[n_test:]', (*SPLITS, *SOURCES),
    ),
    mistake(
        "csv-first-row-for-a-header", "data", "the first row of a file without names is taken for names",
        "data/formats/tables/dialect.py", "if named else rows.starts[title]", "if named else rows.ends[title]", FILES,
    ),
    mistake(
        "levels-wrap-around", "data", "300 levels are stored in a byte", "spaces.py",
        "torch.uint8 if self.levels <= 256", "torch.uint8 if self.levels <= 65536", ("tests/data/test_levels.py",),
    ),
    mistake(
        "contexts-of-other-rows", "data", "rows taken by number come with the contexts of the first rows",
        "data/source.py", "return self.x[index], self._context(index)",
        "return self.x[index], self._context(slice(0, len(index)))", (*SOURCES, "tests/training/test_which_rows.py"),
    ),
    mistake(
        "fingerprint-in-single-precision", "data", "equal fingerprints for rows that differ beyond single precision",
        "data/source.py", "kind = torch.float64 if", "kind = torch.float32 if", ("tests/data/test_fingerprints.py",),
    ),
    # Training.
    mistake(
        "average-the-other-way", "training", "the average of the weights forgets what it should keep",
        "training/average.py", "1.0 - decay)", "decay)", FITS,
    ),
    mistake(
        "last-weights-kept", "training", "training ends with the last weights, not with the best",
        "training/gradient.py", "if best is None:\n            self.average.load",
        "if True:\n            self.average.load", FITS,
    ),
    mistake(
        "gradients-never-shortened", "training", "clipping measures and does not shorten", "training/gradient.py",
        "torch.nn.utils.clip_grads_with_norm_(parameters, longest, norm)", "pass", FITS,
    ),
    mistake(
        "raw-weights-validated", "training",
        "validation scores the weights themselves and keeps them, not their average", "training/average.py",
        "parameter.copy_(value)", "pass", FITS,
    ),
    mistake(
        "gradients-fed-validation", "training", "gradient training is given the validation rows", FIT,
        "GradientTraining(model, train_source.read(), valid_source, options, prior)",
        "GradientTraining(model, valid_source or train_source.read(), valid_source, options, prior)", FITS,
    ),
    mistake(
        "em-fed-validation", "training", "EM is given the validation rows", FIT,
        "model, sources[0], chosen, begins=begins", "model, sources[1] or sources[0], chosen, begins=begins", FITS,
    ),
    mistake(
        "trained-without-dropout", "training", "training steps are taken in evaluation mode", "training/gradient.py",
        "self.model.train()\n", "self.model.eval()\n", FITS,
    ),
    mistake(
        "resumed-with-other-noise", "resume", "a resumed run draws other noise than the unbroken one",
        "training/state.py", 'torch.set_rng_state(tensors["rng.cpu"])', "pass", RESUMED,
    ),
    mistake(
        "resumed-without-moments", "resume", "the optimiser's moments begin anew when a run is resumed",
        "training/state.py", '_restore_optimizer(training.optimizer, _part(tensors, "optimizer"))', "pass", RESUMED,
    ),
    mistake(
        "resumed-without-averages", "resume", "the average of the weights begins anew when a run is resumed",
        "training/state.py", 'average.copy_(tensors[f"average.{i}"])', "pass", RESUMED,
    ),
    # Streams.
    mistake(
        "stream-never-forgets", "streams", "an epoch goes on with the state in which the last one ended",
        "training/gradient.py", "state = None if self.batches.begins_epoch(self.step) else self.carried",
        "state = self.carried", STREAMS,
    ),
    mistake(
        "stream-carried-in-words-only", "streams",
        "a score says that the state was carried, and forgets it at every window", EVALUATE,
        "state = model.log_likelihood_from(x, None if state is None else state[: len(x)], c)",
        "state = model.log_likelihood_from(x, None, c)", (*STREAMS, "tests/models/test_recurrent.py"),
    ),
    mistake(
        "streams-overlap", "streams", "streams side by side read some windows twice and others never",
        "data/windows.py", "starts = blocks * short + blocks.clamp(max=longer)", "starts = blocks * short", STREAMS,
    ),
    # Evaluation, scores and rankings.
    mistake(
        "evaluated-in-training-mode", "evaluation", "scores are taken with dropout on", EVALUATE,
        "    model.eval()\n", "    pass\n", EVALUATING,
    ),
    mistake(
        "evaluation-keeps-its-mode", "evaluation", "a model that was training is left in evaluation mode", EVALUATE,
        "model.train(was_training)", "model.eval()", EVALUATING,
    ),
    mistake(
        "samples-said-not-taken", "evaluation", "K is printed, and one draw taken", EVALUATE,
        "model.bound(x, c, samples=samples)", "model.bound(x, c, samples=1)", EVALUATING,
    ),
    mistake(
        "unseeded-scores", "evaluation", "the noise of a bound does not follow from the seed",
        "inference/randomness.py", "torch.manual_seed(seed)", "pass", EVALUATING,
    ),
    mistake(
        "rows-that-fail-dropped", "scores", "rows without a finite score are left out of the mean", MEAN,
        "n = len(values)\n    mean = float(values.mean())\n    if n < 2",
        "values = values[values.isfinite()]\n    n = len(values)\n    mean = float(values.mean())\n    if n < 2",
        SCORES,
    ),
    mistake(
        "nats-for-bits", "scores", "bits per dimension are nats per dimension", SCORE,
        "-self.nats / (self.space.dims * LN2)", "-self.nats / self.space.dims", SCORES,
    ),
    mistake(
        "deviation-for-error", "scores", "the standard error is the standard deviation", MEAN,
        "float(values.std()) / math.sqrt(n), n", "float(values.std()), n", SCORES,
    ),
    mistake(
        "significant-at-one", "scores", "a difference counts from one standard error on", DIFFERENCE,
        "return self.differs(0.05)", "return self.differs(0.317)", ("tests/inference/test_equal_models.py",),
    ),
    mistake(
        "significant-at-a-half", "scores", "a difference counts from half a standard error on", DIFFERENCE,
        "return self.differs(0.05)", "return self.differs(0.617)", ("tests/inference/test_equal_models.py",),
    ),
    mistake(
        "bounds-lose-for-sure", "ranking", "a model known by a bound is called beaten", DIFFERENCE,
        "and self.claim_b is Claim.EXACT", "and self.claim_b is not Claim.ESTIMATE", (*SCORES, *RANKS),
    ),
    mistake(
        "estimates-ranked", "ranking", "estimates stand in the ranking like exact values", "tasks/ranking.py",
        "if score.claim is Claim.ESTIMATE:", "if False:", RANKS,
    ),
    mistake(
        "masses-ranked-with-densities", "ranking", "probabilities and densities are ranked together", SCORE,
        "if a.measure is not b.measure:", "if False:", (*SCORES, *RANKS),
    ),
    mistake(
        "scored-on-validation", "compare", "models are compared on the rows that chose their weights",
        "tasks/compare.py", "evaluate(entrant.model, data, samples=k, seed=seed)",
        "evaluate(entrant.model, data.valid, samples=k, seed=seed)", COMPARED,
    ),
    mistake(
        "truth-of-other-rows", "compare", "the source's own score is that of the validation rows",
        "tasks/comparison.py", "self.data.log_density(test.x)", "self.data.log_density(self.data.valid.x)", COMPARED,
    ),
    # Storage.
    mistake(
        "damage-unnoticed", "storage", "the checksum of weights is not looked at", "storage/reading.py",
        'if header.get("checksum") != checksum(tensors):', "if False:", ("tests/test_tensors_in_files.py",),
    ),
    mistake(
        "loaded-in-training-mode", "storage", "a loaded model scores with dropout on", "runs/run.py",
        "return model.eval()", "return model.train()", ("tests/inference/test_modes.py",),
    ),
    mistake(
        "saved-in-half-precision", "storage", "weights lose digits in the file", "storage/writing.py",
        "t.detach().cpu().contiguous()", "t.detach().cpu().contiguous().half().to(t.dtype)",
        ("tests/test_tensors_in_files.py",),
    ),
)  # fmt: skip
