/**
 * The command `unlabel`. Only the parser is loaded here; each command imports what it needs when it runs, so that `--help`
 * is instant.
 */
import { Command, CommanderError } from 'commander';
import { register as bench } from './commands/bench.ts';
import { register as data } from './commands/data.ts';
import { register as doctor } from './commands/doctor.ts';
import { register as embed } from './commands/embed.ts';
import { register as engine } from './commands/engine.ts';
import { register as evaluate } from './commands/eval.ts';
import { register as fewShot } from './commands/few-shot.ts';
import { register as invariance } from './commands/invariance.ts';
import { register as leaderboard } from './commands/leaderboard.ts';
import { register as ls } from './commands/ls.ts';
import { register as predict } from './commands/predict.ts';
import { register as pretrain } from './commands/pretrain.ts';
import { register as quickstart } from './commands/quickstart.ts';
import { register as results } from './commands/results.ts';
import { register as scenes } from './commands/scenes.ts';
import { register as score } from './commands/score.ts';
import { register as show } from './commands/show.ts';
import { register as strategies } from './commands/strategies.ts';
import { register as tasks } from './commands/tasks.ts';
import { register as validate } from './commands/validate.ts';
import { register as zoo } from './commands/zoo.ts';
import { reportFailure } from './failure.ts';
import { version } from './version.ts';

const program = new Command('unlabel')
  .description('Self-supervised learning on audio and images: pre-train, embed, evaluate, compare.')
  .version(version)
  .showHelpAfterError('(add --help for the options and examples)')
  .configureHelp({ sortSubcommands: false, showGlobalOptions: false })
  .exitOverride()
  .addHelpText(
    'after',
    `
Examples:
  unlabel quickstart                                    pre-train, evaluate and compare in a few minutes
  unlabel pretrain delores-s --data ~/sounds --out out/mine
  unlabel eval out/mine logmel-stats chance --tasks ~/hear/tasks --out out/eval
  unlabel leaderboard build out/eval -o out/board
  unlabel embed out/mine clip.wav other.wav -o embeddings.npy`,
  );

for (const register of [
  quickstart,
  pretrain,
  predict,
  evaluate,
  fewShot,
  invariance,
  scenes,
  strategies,
  leaderboard,
  embed,
  validate,
  zoo,
  ls,
  show,
  results,
  score,
  tasks,
  data,
  engine,
  bench,
  doctor,
]) {
  register(program);
}
for (const command of allCommands(program)) {
  command.exitOverride().showHelpAfterError('(add --help for the options and examples)');
}

function allCommands(command: Command): Command[] {
  return command.commands.flatMap((child) => [child, ...allCommands(child)]);
}

// A reader that has seen enough (`| head`) is no failure.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error;
  process.exit(0);
});

try {
  await program.parseAsync();
} catch (error) {
  if (error instanceof CommanderError) process.exitCode = error.exitCode === 0 ? 0 : 2;
  else process.exitCode = await reportFailure(error);
}
