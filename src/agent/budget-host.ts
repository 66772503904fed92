import type { BackendService } from '../coordination/backend-service.ts';
import type { BudgetHost } from './budget-mover.ts';

/** The machine as moving budgets needs it. @param tell whichever way a domain's agent is linked. */
export const budgetHostOf = (service: BackendService, tell: BudgetHost['tell']): BudgetHost => ({
  chunkBytes: service.chunkBytes,
  get isSettled() {
    return service.isSettled;
  },
  figure: (name) => service.figure(name),
  tell,
  setPressured: (domain, pressured) => service.setPressured(domain, pressured),
  punch: (chunks) => service.punch(chunks),
  populate: (chunks) => service.populate(chunks),
});
