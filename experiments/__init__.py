"""Experiments on dropout: where it belongs, and how much. Start with `python -m experiments`.

One word for one thing:
  study       a question with a claim      site        where a model may drop
  design      its cases and contrasts      task        a case, ready to compile
  case        an architecture × data       chunk       networks trained together
  arm         one recipe of training       metrics     what an evaluation returns
  contrast    a part of the claim          checkpoint  saved progress
  verdict     supported, refuted, open …   run         a folder: results, figures, manifest
  pool        what seeds draw images from  look        after some seeds: is it decided?
The rooms, each importing only what stands below: cli · studies, bench · runs · report · training ·
models, data · errors, words.
"""
