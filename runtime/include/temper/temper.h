// temper: trains neural networks on the CPU inside one block of fixed memory
// (planning uses the heap and steps some stack: trainer.h).
// This header is the whole public interface:
//   graph.h         the network           plan.h        the exact memory plan
//   trainer.h       running it            schedules.h   learning rates
//   optimizers.h    updates               initializers.h  first values
//   parallel.h      threads, handed in    random.h      counter-based numbers
//   augment.h       samples varied        update_hooks.h  steps around updates
//   backend.h       XNNPACK, for what only predicts
//   signal.h        what the first step shows of the first weights
//   registry.h      what jobs can name    targets.h     what predictions meet
#ifndef TEMPER_TEMPER_H_
#define TEMPER_TEMPER_H_

#include "temper/augment.h"
#include "temper/backend.h"
#include "temper/fields.h"
#include "temper/fit.h"
#include "temper/graph.h"
#include "temper/initializers.h"
#include "temper/layers.h"
#include "temper/optimizers.h"
#include "temper/parallel.h"
#include "temper/plan.h"
#include "temper/random.h"
#include "temper/registry.h"
#include "temper/schedules.h"
#include "temper/signal.h"
#include "temper/status.h"
#include "temper/targets.h"
#include "temper/trainer.h"
#include "temper/update_hooks.h"

#endif  // TEMPER_TEMPER_H_
