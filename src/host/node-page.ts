// The page in a child process of Node: its API over the channel, on Dawn.
import { Page } from '../page/page.ts';
import { provideWebGpu } from './dawn.ts';
import { servePage, tell } from './node-channel.ts';

servePage(new Page((progress) => tell({ kind: 'progress', progress })), provideWebGpu);
