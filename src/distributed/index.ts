export { evenBounds, singleProcess, type Communicator, type SliceBounds } from './communicator.ts';
export { joinJob, singleJob, type Job } from './job.ts';
export { INSTALL_OPEN_MPI } from './mpi-library.ts';
export { rankCount, torchrunEnvironment } from './rank-environment.ts';
export { gatherValues, inTurns, isTrueOnAny, onFirstRank, unlessAborted } from './shared-values.ts';
export { mpirunCommand, requireMpirun, startMpirun, type MpirunRequest } from './mpirun.ts';
export { MpirunOutput } from './mpirun-output.ts';
export { announceRank, RankRecords, signalName, type RankRecord } from './rank-record.ts';
