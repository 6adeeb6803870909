/** What `unlabel results export` does. */
import { writeFileAtomic } from '@unlabel/formats';
import { collect, hearCsv } from '@unlabel/leaderboard';

export async function exportResults(dirs: readonly string[], out: string | undefined): Promise<void> {
  const { results, warnings } = await collect(dirs);
  for (const warning of warnings) process.stderr.write(`warning: ${warning}\n`);
  const csv = hearCsv(results);
  if (out === undefined) process.stdout.write(csv);
  else await writeFileAtomic(out, csv);
}
